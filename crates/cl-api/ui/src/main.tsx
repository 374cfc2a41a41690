import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { whenUnauthorised } from "./api/client";
import { queries } from "./api/queries";
import { App } from "./app";
import { retryNow, startLive } from "./live/client";
import { startRefresh } from "./live/refresh";
import { followSettings } from "./shell/settings";
import "./styles.css";

followSettings();
startRefresh(queries);
startLive();
// The connection finds out for itself and shows how to log in.
whenUnauthorised(retryNow);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
