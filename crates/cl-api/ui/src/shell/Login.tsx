import { KeyRound } from "lucide-react";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { tryAgain } from "./access";
import styles from "./Pages.module.css";

/** The server wants to know who we are: how to get in. */
export function Login() {
  return (
    <main className={styles.login} data-testid="login">
      <div className={styles.card}>
        <KeyRound size={22} aria-hidden />
        <h1>Log in</h1>
        <p>This server lets nobody in without a link of its own. On the machine where it runs, type</p>
        <div className={styles.command}>
          <code>conductor open</code>
          <Copy text="conductor open" what="the command" />
        </div>
        <p>
          and open the link that it prints. It works once; this browser stays logged in until you log out.
        </p>
        <Button onClick={tryAgain}>I have logged in</Button>
      </div>
    </main>
  );
}
