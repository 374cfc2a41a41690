import { lazy, Suspense, useEffect } from "react";
import { Group, Panel, Separator } from "react-resizable-panels";
import { useEndings } from "../act/underway";
import { useProjects } from "../api/queries";
import { useLive } from "../live/store";
import { useRoute } from "../route/route";
import { TreePanel } from "../tree/TreePanel";
import { useIsLoggedOut } from "./access";
import { Banner, Renewed } from "./Banner";
import { Detail } from "./Detail";
import { closeDialog, type DialogName, useOpenDialog } from "./dialogs";
import { Login } from "./Login";
import { Palette } from "./Palette";
import { Settings } from "./Settings";
import styles from "./Shell.module.css";
import { Shortcuts } from "./Shortcuts";
import { Strip } from "./Strip";
import { changeSettings, getSettings } from "./settings";
import { useShortcuts } from "./shortcuts";

const NewTaskDialog = lazy(async () => ({ default: (await import("../act/NewTaskDialog")).NewTaskDialog }));
const NewProjectDialog = lazy(async () => ({
  default: (await import("../act/NewProjectDialog")).NewProjectDialog,
}));

/** The page: a strip on top, the tree on the left, what is selected on the right. */
export function Shell() {
  const route = useRoute();
  const isLoggedOut = useIsLoggedOut();
  const isStale = useLive(({ connection }) => connection.staleSince !== undefined);
  const projects = useProjects();
  useShortcuts();
  // Whoever stops a task may look at something else until it has ended.
  useEndings();
  // Without a choice the tree shows the project where something happened last.
  const project = route.project ?? projects.data?.[0]?.id;
  useEffect(() => {
    const name = [route.task?.replace(/^task-\d{8}-\d{6}-/, ""), route.project].filter(Boolean).join(" · ");
    document.title = name ? `${name} · Conductor Loop` : "Conductor Loop";
  }, [route.task, route.project]);
  if (isLoggedOut) return <Login />;
  return (
    <div className={styles.shell} data-stale={isStale}>
      <button
        type="button"
        className={styles.skip}
        onClick={() => document.getElementById("detail")?.focus()}
      >
        Skip to the content
      </button>
      <Strip />
      <Banner />
      <Renewed />
      <Group
        className={styles.main ?? ""}
        orientation="horizontal"
        id="conductor-panels"
        onLayoutChanged={(layout) => {
          const tree = layout.tree;
          if (tree !== undefined && Math.abs(tree - getSettings().tree) > 0.1) changeSettings({ tree });
        }}
      >
        <Panel id="tree" defaultSize={`${getSettings().tree}%`} minSize="240px" maxSize="50%">
          <TreePanel project={project} />
        </Panel>
        <Separator className={styles.handle ?? ""} aria-label="Width of the tree" />
        <Panel id="detail" minSize="380px">
          <main id="detail" tabIndex={-1} className={styles.detail} data-testid="detail">
            <Detail route={route} />
          </main>
        </Panel>
      </Group>
      <Dialogs project={project} />
    </div>
  );
}

function Dialogs({ project }: { project: string | undefined }) {
  const open = useOpenDialog();
  const of = (name: DialogName) => ({
    open: open === name,
    onOpenChange: (isOpen: boolean) => {
      if (!isOpen) closeDialog();
    },
  });
  return (
    <>
      <Palette {...of("palette")} />
      <Shortcuts {...of("shortcuts")} />
      <Settings {...of("settings")} />
      <Suspense>
        {open === "new-project" && <NewProjectDialog {...of("new-project")} />}
        {open === "new-task" && project !== undefined && (
          <NewTaskDialog {...of("new-task")} project={project} />
        )}
      </Suspense>
    </>
  );
}
