import { CircleX, RotateCw } from "lucide-react";
import { Problem } from "../api/client";
import { Button } from "./Button";
import { Copy } from "./Copy";
import styles from "./Empty.module.css";

/** Something could not be fetched or done: what the server says, its hint and the request's id. */
export function Failure(props: { error: unknown; what?: string; onRetry?: () => void; inline?: boolean }) {
  const problem = Problem.of(props.error);
  const request = problem.requestId && (
    <span className={styles.request}>
      {problem.requestId}
      <Copy text={problem.requestId} what="the id of the request" />
    </span>
  );
  if (props.inline) {
    return (
      <div className={styles.inline} role="alert" data-testid="failure">
        <CircleX size={15} aria-hidden />
        <div>
          {problem.message}
          {problem.hint && <small>{problem.hint}</small>}
          {request}
        </div>
      </div>
    );
  }
  return (
    <div className={styles.failure} role="alert" data-testid="failure">
      <CircleX size={22} className={styles.sign} aria-hidden />
      <h3>{props.what ?? "This could not be loaded"}</h3>
      <p className={styles.text}>{problem.message}</p>
      {problem.hint && <p className={styles.text}>{problem.hint}</p>}
      {request}
      {props.onRetry && (
        <Button size="s" icon={<RotateCw size={13} />} onClick={props.onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}
