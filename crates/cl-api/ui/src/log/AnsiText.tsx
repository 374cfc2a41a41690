import { memo, useMemo } from "react";
import { spansOf } from "./ansi";
import styles from "./ansi.module.css";
import { marked } from "./marks";

/** Text of a program on one or more lines, with its colours and without its tricks. */
export const AnsiText = memo(function AnsiText({ text, needle = "" }: { text: string; needle?: string }) {
  const lines = useMemo(() => text.split("\n").map((line) => marked(spansOf(line), needle)), [text, needle]);
  let place = 0;
  return (
    <>
      {lines.map((spans, row) => {
        const shown = spans.map((span) => {
          const key = `${place}`;
          place += 1;
          const name = span.classes.map((each) => styles[each] ?? "").join(" ");
          const Tag = span.isMarked ? "mark" : "span";
          if (!name && !span.isMarked && !span.isName && !span.color && !span.background) {
            return span.text;
          }
          return (
            <Tag
              key={key}
              className={
                `${name} ${span.isName ? styles.name : ""} ${span.isMarked ? styles.mark : ""}`.trim() ||
                undefined
              }
              style={{
                ...(span.color && { color: `rgb(${span.color})` }),
                ...(span.background && { backgroundColor: `rgb(${span.background})` }),
              }}
              {...(span.isName && { title: "A character that is not shown" })}
            >
              {span.text}
            </Tag>
          );
        });
        return row === 0 ? shown : ["\n", ...shown];
      })}
    </>
  );
});
