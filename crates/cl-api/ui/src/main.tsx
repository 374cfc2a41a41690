import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries } from "./api/queries";
import { App } from "./app";
import { startLive } from "./live/client";
import { startRefresh } from "./live/refresh";
import { watchAccess } from "./shell/access";
import { followSettings } from "./shell/settings";
import "./styles.css";

followSettings();
startRefresh(queries);
startLive();
watchAccess();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
