import { type ReactNode, useId } from "react";
import styles from "./Act.module.css";

/** What an input needs to be tied to its label, its note and what is wrong with it. */
export interface Tied {
  id: string;
  "aria-invalid"?: true;
  "aria-describedby"?: string;
}

/** A label, an input, and below it what is wrong, else a note. */
export function Field(props: {
  label: string;
  optional?: boolean;
  problem?: string | undefined;
  note?: ReactNode;
  children: (tied: Tied) => ReactNode;
}) {
  const id = useId();
  const { problem, note } = props;
  const said = problem ?? note;
  const tied: Tied = { id };
  if (problem) tied["aria-invalid"] = true;
  if (said) tied["aria-describedby"] = `${id}-says`;
  return (
    <div className={styles.field}>
      <label htmlFor={id}>
        {props.label} {props.optional && <span className={styles.optional}>optional</span>}
      </label>
      {props.children(tied)}
      {said && (
        <small
          id={`${id}-says`}
          className={problem ? styles.problem : undefined}
          role={problem ? "alert" : undefined}
        >
          {said}
        </small>
      )}
    </div>
  );
}
