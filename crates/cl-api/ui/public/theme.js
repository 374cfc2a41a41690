// Sets the theme before the first paint, so that the page does not flash.
(() => {
  let choice = "system";
  try {
    choice = JSON.parse(localStorage.getItem("conductor.settings") ?? "{}").theme ?? "system";
  } catch {
    // Without settings the system decides.
  }
  const dark =
    choice === "dark" || (choice === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
