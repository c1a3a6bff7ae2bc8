import i18next from "i18next";
import Backend from "i18next-fs-backend";
import path from "node:path";
await i18next.use(Backend).init({
  lng: "de",
  fallbackLng: "en",
  preload: ["de", "en"],
  backend: { loadPath: path.join(import.meta.dirname ?? process.cwd(), "locales/{{lng}}.json") },
});
console.log(i18next.t("hello"));
