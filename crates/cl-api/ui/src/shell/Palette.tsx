import { Command } from "cmdk";
import {
  CornerDownLeft,
  FolderPlus,
  Gauge,
  Keyboard,
  LayoutGrid,
  Moon,
  Network,
  Plus,
  Settings,
  Sun,
  WalletCards,
} from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useMemo, useState } from "react";
import { useProjects } from "../api/queries";
import { useLive } from "../live/store";
import { StatusGlyph } from "../parts/Status";
import { go, useRoute } from "../route/route";
import { openDialog } from "./dialogs";
import styles from "./Palette.module.css";
import { changeSettings, isDark } from "./settings";

/** How many tasks are listed at once; more words find the others. */
const MOST = 50;

/** Finds tasks, projects and commands by a few letters. */
export function Palette({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={styles.scrim} />
        <Radix.Content className={styles.palette} aria-describedby={undefined} data-testid="palette">
          <Radix.Title className="visually-hidden">Find a task, a project or a command</Radix.Title>
          {open && <Inside onDone={() => onOpenChange(false)} />}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Inside({ onDone }: { onDone: () => void }) {
  const [text, setText] = useState("");
  const { project } = useRoute();
  const tasks = useLive((world) => world.tasks);
  const projects = useProjects();
  const found = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rank = (of: string | null | undefined) => of ?? "";
    return Object.values(tasks)
      .map(({ task }) => task)
      .filter((task) => {
        const name = `${task.project_id} ${task.task_id} ${task.agent ?? ""} ${task.status}`.toLowerCase();
        return words.every((word) => name.includes(word));
      })
      .sort(
        (a, b) =>
          Number(b.project_id === project) - Number(a.project_id === project) ||
          rank(b.last_activity).localeCompare(rank(a.last_activity)),
      )
      .slice(0, MOST);
  }, [tasks, text, project]);
  const run = (what: () => void) => () => {
    onDone();
    what();
  };
  const commands: { text: string; icon: typeof Plus; keys?: string; run: () => void }[] = [
    { text: "New task", icon: Plus, keys: "c", run: () => openDialog("new-task") },
    { text: "New project", icon: FolderPlus, run: () => openDialog("new-project") },
    { text: "All projects", icon: LayoutGrid, keys: "g", run: () => go({ project: undefined }) },
    { text: "Spend and tokens", icon: WalletCards, run: () => go({ project: undefined, view: "usage" }) },
    { text: "Limits of agents", icon: Gauge, run: () => go({ project: undefined, view: "limits" }) },
    ...(project
      ? [
          {
            text: `Dependencies of ${project}`,
            icon: Network,
            run: () => go({ project, task: undefined, tab: "graph" }),
          },
        ]
      : []),
    {
      text: isDark() ? "Light theme" : "Dark theme",
      icon: isDark() ? Sun : Moon,
      run: () => changeSettings({ theme: isDark() ? "light" : "dark" }),
    },
    { text: "Settings", icon: Settings, keys: ",", run: () => openDialog("settings") },
    { text: "Keyboard shortcuts", icon: Keyboard, keys: "?", run: () => openDialog("shortcuts") },
  ];
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (name: string) => words.every((word) => name.toLowerCase().includes(word));
  const others = (projects.data ?? []).filter((each) => matches(each.id));
  return (
    <Command shouldFilter={false} loop label="Find">
      <Command.Input
        autoFocus
        placeholder="Find a task, a project or a command"
        value={text}
        onValueChange={setText}
      />
      <Command.List>
        <Command.Empty>Nothing has these words in its name.</Command.Empty>
        {found.length > 0 && (
          <Command.Group heading="Tasks">
            {found.slice(0, words.length === 0 ? 6 : MOST).map((task) => (
              <Command.Item
                key={`${task.project_id}/${task.task_id}`}
                value={`task ${task.project_id}/${task.task_id}`}
                onSelect={run(() => go({ project: task.project_id, task: task.task_id, run: undefined }))}
              >
                <StatusGlyph status={task.status} label />
                <span>{task.task_id}</span>
                <small>{task.project_id}</small>
                <CornerDownLeft size={12} className={styles.enter} aria-hidden />
              </Command.Item>
            ))}
          </Command.Group>
        )}
        {others.length > 0 && (
          <Command.Group heading="Projects">
            {others.slice(0, 8).map((each) => (
              <Command.Item
                key={each.id}
                value={`project ${each.id}`}
                onSelect={run(() =>
                  go({ project: each.id, task: undefined, run: undefined, tab: undefined }),
                )}
              >
                <LayoutGrid size={14} aria-hidden />
                <span>{each.id}</span>
                <small>{each.task_count === 1 ? "1 task" : `${each.task_count} tasks`}</small>
              </Command.Item>
            ))}
          </Command.Group>
        )}
        {commands.some((each) => matches(each.text)) && (
          <Command.Group heading="Commands">
            {commands
              .filter((each) => matches(each.text))
              .map((each) => (
                <Command.Item key={each.text} value={`command ${each.text}`} onSelect={run(each.run)}>
                  <each.icon size={14} aria-hidden />
                  <span>{each.text}</span>
                  {each.keys && <kbd>{each.keys}</kbd>}
                </Command.Item>
              ))}
          </Command.Group>
        )}
      </Command.List>
    </Command>
  );
}
