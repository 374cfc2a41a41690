import { QueryClientProvider } from "@tanstack/react-query";
import { Tooltip } from "radix-ui";
import { Toaster } from "sonner";
import { queries } from "./api/queries";
import { Shell } from "./shell/Shell";

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Tooltip.Provider delayDuration={400}>
        <Shell />
        <Toaster position="bottom-right" closeButton />
      </Tooltip.Provider>
    </QueryClientProvider>
  );
}
