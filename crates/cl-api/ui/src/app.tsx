import { QueryClientProvider } from "@tanstack/react-query";
import { Tooltip } from "radix-ui";
import { Toaster } from "sonner";
import { DraftNotice } from "./act/DraftNotice";
import { queries } from "./api/queries";
import { Shell } from "./shell/Shell";
import { useSettings } from "./shell/settings";

export function App() {
  const { theme } = useSettings();
  return (
    <QueryClientProvider client={queries}>
      <Tooltip.Provider delayDuration={400}>
        <Shell />
        <DraftNotice />
        <Toaster position="bottom-right" theme={theme} closeButton visibleToasts={4} />
      </Tooltip.Provider>
    </QueryClientProvider>
  );
}
