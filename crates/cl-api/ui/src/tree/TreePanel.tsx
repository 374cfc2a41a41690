import { Empty } from "../parts/Empty";

export function TreePanel() {
  return <Empty title="No tasks yet" command="run-agent task --help" />;
}
