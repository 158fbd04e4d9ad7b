// Builds every command_center/frontend/*.ts into frontend/dist, with a manifest that the {% asset %} tag reads.
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

const SOURCE = "command_center/frontend";

/** Writes icons.svg: the Tabler icons named in icons.json, each as a symbol. */
function icons(): Plugin {
  return {
    name: "zhutu-icons",
    generateBundle() {
      const names = JSON.parse(readFileSync(`${SOURCE}/icons.json`, "utf8")) as string[];
      const symbols = names.map((name) => {
        const [style, file] = name.endsWith("-filled") ? ["filled", name.slice(0, -7)] : ["outline", name];
        const svg = readFileSync(`node_modules/@tabler/icons/icons/${style}/${file}.svg`, "utf8");
        const body = svg.replace(/<!--[\s\S]*?-->/g, "").replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$/g, "");
        const paint =
          style === "filled"
            ? 'fill="currentColor"'
            : 'fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"';
        return `<symbol id="${name}" viewBox="0 0 24 24" ${paint}>${body.replace(/\s+/g, " ").trim()}</symbol>`;
      });
      const source = `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("\n")}</svg>`;
      this.emitFile({ type: "asset", fileName: "icons.svg", source });
    },
  };
}

export default defineConfig({
  base: "/static/",
  publicDir: false,
  plugins: [icons()],
  build: {
    outDir: `${SOURCE}/dist`,
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    // MapLibre and ECharts are one file each; they load only on the pages that show a map or a chart.
    chunkSizeWarningLimit: 1600,
    rollupOptions: {
      input: readdirSync(SOURCE)
        .filter((name) => name.endsWith(".ts"))
        .map((name) => `${SOURCE}/${name}`),
    },
  },
  worker: { format: "es" },
});
