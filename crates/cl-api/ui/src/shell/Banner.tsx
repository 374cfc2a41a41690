import { RefreshCw, WifiOff } from "lucide-react";
import { useState } from "react";
import { useStatus } from "../api/queries";
import { retryNow } from "../live/client";
import { useConnection } from "../live/store";
import { Button } from "../parts/Button";
import { formatAgo, formatClock, useNow } from "../parts/time";
import styles from "./Pages.module.css";

/** How long a connection may be lost before anybody is told: a restart is quicker. */
const PATIENCE = 1_500;

/** Says that the server is another version than the page came from. */
export function Renewed() {
  const version = useStatus().data?.version;
  const [first, setFirst] = useState(version);
  if (first === undefined && version !== undefined) setFirst(version);
  if (version === undefined || first === undefined || version === first) return null;
  return (
    <div className={styles.banner} role="status" data-testid="renewed">
      <RefreshCw size={15} aria-hidden />
      <span>The server is version {version} now. Reload the page to get what belongs to it.</span>
      <span className={styles.bannerEnd}>
        <Button size="s" onClick={() => location.reload()}>
          Reload
        </Button>
      </span>
    </div>
  );
}

/** Says that what is shown is not of now, since when, and when it is tried again. */
export function Banner() {
  const { phase, staleSince, retryAt, error } = useConnection();
  const isLost = staleSince !== undefined && phase !== "live" && phase !== "unauthorised";
  const now = useNow(isLost ? "second" : "never");
  if (!isLost || (now > 0 && now + 999 - staleSince < PATIENCE)) return null;
  const seconds = retryAt === undefined ? undefined : Math.max(0, Math.ceil((retryAt - now) / 1000));
  return (
    <div className={styles.banner} role="status" data-testid="offline">
      <WifiOff size={15} aria-hidden />
      <span>
        <strong>Not connected:</strong> {error ?? "the server cannot be reached"}. What you see is of{" "}
        {formatClock(new Date(staleSince))} ({formatAgo(staleSince, now)}).
      </span>
      <span className={styles.bannerEnd}>
        {phase === "connecting"
          ? "Trying…"
          : seconds !== undefined && seconds > 0
            ? `Next try in ${seconds}s`
            : "Trying…"}
        <Button size="s" onClick={retryNow}>
          Try now
        </Button>
      </span>
    </div>
  );
}
