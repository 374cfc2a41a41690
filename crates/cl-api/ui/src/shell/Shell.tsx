import { Group, Panel, Separator } from "react-resizable-panels";
import { useRoute } from "../route/route";
import { TaskPanel } from "../task/TaskPanel";
import { TreePanel } from "../tree/TreePanel";
import styles from "./Shell.module.css";
import { Strip } from "./Strip";

/** The page: a strip on top, the tree on the left, what is selected on the right. */
export function Shell() {
  const route = useRoute();
  return (
    <div className={styles.shell}>
      <Strip />
      <Group className={styles.main} orientation="horizontal" id="conductor-panels">
        <Panel id="tree" defaultSize="28%" minSize="240px" maxSize="50%">
          <TreePanel />
        </Panel>
        <Separator className={styles.handle ?? ""} />
        <Panel id="detail">
          <TaskPanel project={route.project} task={route.task} run={route.run} />
        </Panel>
      </Group>
    </div>
  );
}
