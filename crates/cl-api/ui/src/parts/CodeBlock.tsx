import styles from "./CodeBlock.module.css";
import { Copy } from "./Copy";

/** Text as it is, in the fixed font; long lines scroll or wrap. */
export function CodeBlock({ text, wrap = true, label }: { text: string; wrap?: boolean; label?: string }) {
  return (
    <div className={styles.block}>
      <div className={styles.copy}>
        <Copy text={text} what={label ?? "the text"} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className={wrap ? styles.wrap : ""} tabIndex={0}>
        {text}
      </pre>
    </div>
  );
}
