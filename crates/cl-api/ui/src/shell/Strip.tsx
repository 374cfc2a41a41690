import { StripItems } from "../pictures/StripItems";
import styles from "./Strip.module.css";

/** The strip on top: where one is, how the server does, and what is going on. */
export function Strip() {
  return (
    <header className={styles.strip}>
      <span className={styles.name}>Conductor Loop</span>
      <StripItems />
    </header>
  );
}
