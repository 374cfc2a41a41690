import { useEffect } from "react";
import { toast } from "sonner";
import { go } from "../route/route";
import { openDialog } from "../shell/dialogs";
import { DRAFT_NOTICE, projectsWithDrafts } from "./draft";

/** Says once, after the page was loaded, that a task was begun and not created. */
export function DraftNotice() {
  useEffect(() => {
    const [project] = projectsWithDrafts(localStorage);
    if (project === undefined) return;
    const id = toast("You have an unsaved task draft", {
      id: DRAFT_NOTICE,
      description: `In project ${project}`,
      duration: 15_000,
      action: {
        label: "Open",
        onClick: () => {
          go({ project });
          openDialog("new-task");
        },
      },
    });
    return () => {
      toast.dismiss(id);
    };
  }, []);
  return null;
}
