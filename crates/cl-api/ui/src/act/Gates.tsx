import { Plus, X } from "lucide-react";
import { useRef } from "react";
import { Button, IconButton } from "../parts/Button";
import styles from "./Act.module.css";

const MOST = 32;

/** The commands that must succeed before DONE is believed. */
export function Gates(props: { gates: string[]; onChange: (gates: string[]) => void; disabled?: boolean }) {
  const box = useRef<HTMLFieldSetElement>(null);
  const rows = props.gates.length === 0 ? [""] : props.gates;
  const put = (at: number, text: string) =>
    props.onChange(rows.map((gate, index) => (index === at ? text : gate)));
  const add = () => {
    props.onChange([...rows, ""]);
    requestAnimationFrame(() =>
      box.current?.querySelector<HTMLInputElement>("div:last-of-type input")?.focus(),
    );
  };
  return (
    <fieldset className={styles.field} ref={box} disabled={props.disabled}>
      <legend>
        Gates <span className={styles.optional}>optional</span>
      </legend>
      {rows.map((gate, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
        <div className={styles.gate} key={at}>
          <input
            aria-label={`Gate ${at + 1}`}
            value={gate}
            placeholder={at === 0 ? "cargo test" : "another command"}
            onChange={(event) => put(at, event.target.value)}
            spellCheck={false}
            autoComplete="off"
          />
          {props.gates.length > 0 && (
            <IconButton
              label={`Take gate ${at + 1} out`}
              onClick={() => props.onChange(rows.filter((_, index) => index !== at))}
            >
              <X size={14} />
            </IconButton>
          )}
        </div>
      ))}
      <small>
        Each must succeed before the agent’s claim to be done is believed; what it printed goes into the next
        attempt.
      </small>
      {rows.length < MOST && rows.at(-1) !== "" && (
        <Button size="s" look="plain" className={styles.more ?? ""} icon={<Plus size={13} />} onClick={add}>
          Another gate
        </Button>
      )}
    </fieldset>
  );
}
