import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import styles from "./Menu.module.css";

/** A menu that opens below its button. It does not keep the rest of the page from being used. */
export function Menu({
  button,
  children,
  align = "start",
}: {
  button: ReactNode;
  children: ReactNode;
  align?: "start" | "end";
}) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{button}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={styles.menu} align={align} sideOffset={4} collisionPadding={8}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** Something that can be chosen in a menu. */
export function MenuItem(props: {
  onSelect?: () => void;
  icon?: ReactNode;
  note?: ReactNode;
  disabled?: boolean;
  children: ReactNode;
}) {
  return (
    <DropdownMenu.Item
      className={styles.item}
      disabled={props.disabled ?? false}
      {...(props.onSelect && { onSelect: props.onSelect })}
    >
      {props.icon}
      <span className={styles.grow}>{props.children}</span>
      {props.note && <small>{props.note}</small>}
    </DropdownMenu.Item>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <DropdownMenu.Label className={styles.label}>{children}</DropdownMenu.Label>;
}

export function MenuLine() {
  return <DropdownMenu.Separator className={styles.line} />;
}
