import { KeyRound } from "lucide-react";
import { queries } from "../api/queries";
import { retryNow } from "../live/client";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import styles from "./Pages.module.css";

/** The server has a key and this browser none: how to get in. */
export function Login() {
  return (
    <main className={styles.login} data-testid="login">
      <div className={styles.card}>
        <KeyRound size={22} aria-hidden />
        <h1>Log in</h1>
        <p>This server has an API key. On the machine where it runs, type</p>
        <div className={styles.command}>
          <code>conductor open</code>
          <Copy text="conductor open" what="the command" />
        </div>
        <p>
          and open the link that it prints. It works once; afterwards this browser stays logged in until you
          log out.
        </p>
        <Button
          onClick={() => {
            retryNow();
            void queries.refetchQueries({ type: "active" });
          }}
        >
          I have logged in
        </Button>
      </div>
    </main>
  );
}
