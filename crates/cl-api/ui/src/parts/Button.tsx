import { LoaderCircle } from "lucide-react";
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import styles from "./Button.module.css";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** `plain` has no frame until it is pointed at. */
  look?: "primary" | "normal" | "plain" | "danger";
  size?: "s" | "m";
  icon?: ReactNode;
  /** Something is being done: it cannot be pressed, and shows that. */
  busy?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

/** A button with a text. */
export function Button({
  look = "normal",
  size = "m",
  icon,
  busy = false,
  children,
  className,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={rest.disabled || busy}
      aria-busy={busy || undefined}
      className={[styles.button, styles[look], size === "s" ? styles.small : "", className ?? ""].join(" ")}
    >
      {busy ? <LoaderCircle size={14} className={styles.busy} aria-hidden /> : icon}
      {children}
    </button>
  );
}

/** A button with an icon and a name that is read aloud and shown on hover. */
export function IconButton({
  label,
  children,
  className,
  ...rest
}: Omit<ButtonProps, "icon" | "look" | "size" | "busy"> & { label: string }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={[styles.icon, className ?? ""].join(" ")}
    >
      {children}
    </button>
  );
}
