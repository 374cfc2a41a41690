import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { configDefaults, defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Where `npm run dev` finds a server; see docs/dev/web-ui.md. */
const server = process.env.CONDUCTOR_URL ?? "http://127.0.0.1:14355";

export default defineConfig({
  // Relative, so that the UI works below any path.
  base: "./",
  plugins: [react(), withoutInjectedStyles()],
  resolve: {
    alias: {
      // The policy of the server allows no <style> elements; see the module.
      "react-style-singleton": here("./src/parts/styleSingleton.ts"),
    },
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1200,
  },
  worker: { format: "es" },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/ui/login", "/ui/logout", "/healthz", "/metrics"].map((path) => [
        path,
        { target: server, changeOrigin: true },
      ]),
    ),
  },
  test: {
    environment: "happy-dom",
    setupFiles: ["src/test/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    exclude: [...configDefaults.exclude, "e2e/**"],
    restoreMocks: true,
    // Machines that build at the same time are slow.
    testTimeout: 20_000,
    css: { modules: { classNameStrategy: "non-scoped" } },
  },
});

/** Sonner brings its rules twice; the policy of the server refuses those that it injects. */
function withoutInjectedStyles() {
  return {
    name: "without-injected-styles",
    transform(code: string, id: string) {
      if (!/[\\/]node_modules[\\/]sonner[\\/]/.test(id) || !code.includes("__insertCSS(")) {
        return null;
      }
      return { code: code.replace("function __insertCSS(code) {", "$& return;"), map: null };
    },
  };
}
