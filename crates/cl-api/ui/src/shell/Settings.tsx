import { LogOut, Monitor, Moon, Sun } from "lucide-react";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import styles from "./Pages.module.css";
import { type Settings as Chosen, changeSettings, useSettings } from "./settings";

const THEMES: [Chosen["theme"], string, typeof Sun][] = [
  ["system", "As the system", Monitor],
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
];

/** What a user can choose for himself. */
export function Settings({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const settings = useSettings();
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Settings"
      description="Kept in this browser."
      width={420}
      testid="settings"
    >
      <fieldset className={styles.choice}>
        <legend>Theme</legend>
        <div className={styles.segments}>
          {THEMES.map(([theme, text, Icon]) => (
            <label key={theme}>
              <input
                type="radio"
                name="theme"
                className="visually-hidden"
                checked={settings.theme === theme}
                onChange={() => changeSettings({ theme })}
              />
              <Icon size={14} aria-hidden /> {text}
            </label>
          ))}
        </div>
      </fieldset>
      <label className={styles.check}>
        <input
          type="checkbox"
          checked={settings.wrap}
          onChange={(event) => changeSettings({ wrap: event.target.checked })}
        />
        Wrap long lines in logs and files
      </label>
      <form method="post" action="logout" className={styles.logout}>
        <Button type="submit" size="s" icon={<LogOut size={13} />}>
          Log out
        </Button>
        <span>To get in again: conductor open</span>
      </form>
    </Dialog>
  );
}
