import { toast } from "sonner";
import { Problem } from "../api/client";
import { writeClipboard } from "../parts/Copy";

/** Tells an outcome for a moment. */
export function tell(text: string, more?: string): void {
  toast.success(text, more ? { description: more } : {});
}

/** Tells something that is neither good nor bad. */
export function tellNeutral(text: string, more?: string): void {
  toast(text, more ? { description: more } : {});
}

/** Tells that something did not work: what the server says, its hint, and the request's id. */
export function tellProblem(what: string, error: unknown): void {
  const problem = Problem.of(error);
  const { requestId } = problem;
  toast.error(what, {
    duration: 12_000,
    description: (
      <>
        <div>{problem.message}</div>
        {problem.hint && <div>{problem.hint}</div>}
        {requestId && <div className="mono">{requestId}</div>}
      </>
    ),
    ...(requestId && {
      action: { label: "Copy id", onClick: () => void writeClipboard(requestId).catch(() => {}) },
    }),
  });
}
