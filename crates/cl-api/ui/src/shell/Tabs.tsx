import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";
import styles from "./Detail.module.css";

/** Tabs whose choice stands in the address. What is not chosen is not there. */
export function Tabs(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  tabs: { id: string; text: string; note?: ReactNode }[];
  children: ReactNode;
  /** The panel scrolls itself: it is as high as there is room. */
  isFull?: boolean;
}) {
  return (
    <Radix.Root
      className={styles.tabs}
      value={props.value}
      onValueChange={props.onChange}
      activationMode="manual"
    >
      <Radix.List className={styles.list} aria-label={props.label}>
        {props.tabs.map((tab) => (
          <Radix.Trigger key={tab.id} value={tab.id} className={styles.tab} data-testid={`tab-${tab.id}`}>
            {tab.text}
            {tab.note !== undefined && tab.note !== null && <span className={styles.note}>{tab.note}</span>}
          </Radix.Trigger>
        ))}
      </Radix.List>
      <Radix.Content
        key={props.value}
        value={props.value}
        className={`${styles.panel} ${props.isFull ? styles.full : ""}`}
        data-testid="tab-panel"
      >
        {props.children}
      </Radix.Content>
    </Radix.Root>
  );
}
