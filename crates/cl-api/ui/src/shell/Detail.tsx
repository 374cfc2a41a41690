import type { Route } from "../route/route";
import { TaskPanel } from "../task/TaskPanel";
import { Overview } from "./Overview";
import { ProjectPanel } from "./ProjectPanel";

/** What is selected: everything, a project, or a task with one of its runs. */
export function Detail({ route }: { route: Route }) {
  const { project, task, run } = route;
  if (project === undefined) return <Overview view={route.view} />;
  if (task === undefined) return <ProjectPanel key={project} project={project} tab={route.tab} />;
  return <TaskPanel key={`${project}/${task}`} project={project} task={task} run={run} />;
}
