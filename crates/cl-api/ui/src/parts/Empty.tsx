import type { ReactNode } from "react";
import { Copy } from "./Copy";
import styles from "./Empty.module.css";

/** Nothing is there: why, and the command that changes it. */
export function Empty(props: {
  title: string;
  children?: ReactNode;
  /** What to type. */
  command?: string;
  icon?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={styles.empty} data-testid="empty">
      {props.icon && <div className={styles.icon}>{props.icon}</div>}
      <h3>{props.title}</h3>
      {props.children && <div className={styles.text}>{props.children}</div>}
      {props.command && (
        <div className={styles.command}>
          <code>{props.command}</code>
          <Copy text={props.command} what="the command" />
        </div>
      )}
      {props.action}
    </div>
  );
}

/** Something is being fetched. It shows only after a moment, so that quick answers do not flicker. */
export function Loading({ what = "Loading" }: { what?: string }) {
  return (
    <div className={styles.loading} role="status">
      <span className={styles.bar} aria-hidden />
      <span className="visually-hidden">{what}…</span>
    </div>
  );
}
