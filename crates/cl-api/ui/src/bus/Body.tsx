import { useMemo, useState } from "react";
import { Button } from "../parts/Button";
import { CodeBlock } from "../parts/CodeBlock";
import { Markdown } from "../parts/Markdown";
import styles from "./Bus.module.css";
import { beginningOf, looksLikeMarkdown, readableJson } from "./shown";

/** More than this of a body is not drawn, whatever somebody has posted. */
const MOST_SHOWN = 262_144;

/** The text of a message: JSON in a readable form, Markdown as it is meant, or plain; raw if asked for. */
export function Body({ body, isRaw, isEvent }: { body: string; isRaw: boolean; isEvent: boolean }) {
  const [isWhole, setWhole] = useState(false);
  const beginning = useMemo(() => beginningOf(body, isEvent ? 1 : undefined), [body, isEvent]);
  const text = isWhole || beginning === undefined ? body.slice(0, MOST_SHOWN) : beginning;
  const json = useMemo(() => (isRaw ? undefined : readableJson(body)), [body, isRaw]);
  return (
    <div className={`${styles.body} ${isEvent ? styles.event : ""}`} dir="auto">
      <Text text={text} json={json} isRaw={isRaw} isWhole={isWhole || beginning === undefined} />
      {beginning !== undefined && (
        <Button
          size="s"
          look="plain"
          className={styles.more ?? ""}
          aria-expanded={isWhole}
          onClick={() => setWhole(!isWhole)}
        >
          {isWhole
            ? "Show less"
            : isEvent
              ? "Show its files"
              : `Show more (${body.length.toLocaleString("en")} characters)`}
        </Button>
      )}
      {isWhole && body.length > MOST_SHOWN && (
        <small className={styles.faint}>The rest is in the raw answer.</small>
      )}
    </div>
  );
}

function Text(props: { text: string; json: string | undefined; isRaw: boolean; isWhole: boolean }) {
  const { text, json } = props;
  if (props.isRaw) return <pre className={styles.raw}>{text}</pre>;
  if (json !== undefined) {
    const lines = json.split("\n");
    return <CodeBlock text={props.isWhole ? json : lines.slice(0, 18).join("\n")} label="the JSON" />;
  }
  if (looksLikeMarkdown(text)) return <Markdown text={text} />;
  return <div className={styles.plain}>{text}</div>;
}
