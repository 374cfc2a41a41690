import { Empty } from "../parts/Empty";

export interface NewProjectDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** Asks what a new project is to be. */
export function NewProjectDialog(_: NewProjectDialogProps) {
  return <Empty title="Not built yet" />;
}
