import { Empty } from "../parts/Empty";

export interface NewTaskDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  project: string;
}

/** Asks what a new task is to be. */
export function NewTaskDialog(_: NewTaskDialogProps) {
  return <Empty title="Not built yet" />;
}
