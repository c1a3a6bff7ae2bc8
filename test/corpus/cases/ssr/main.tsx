import React from "react";
import { renderToString, renderToPipeableStream } from "react-dom/server";
import { createSSRApp, h as vh } from "vue";
import { renderToString as renderVue } from "vue/server-renderer";
import { h } from "preact";
import renderPreact from "preact-render-to-string";
import { compile } from "svelte/compiler";
import { render as renderLit } from "@lit-labs/ssr";
import { html } from "lit";
import { collectResult } from "@lit-labs/ssr/lib/render-result.js";
import { App } from "./app.jsx";
console.log(
  renderToString(React.createElement("p", null, "react")),
  renderToString(React.createElement(App, { name: "jsx" })),
);
console.log(await renderVue(createSSRApp({ data: () => ({ n: 1 }), template: "<b>{{ n }}</b>" })));
console.log(renderPreact(h("i", null, "preact")));
console.log(compile("<h1>{1}</h1>", { generate: "server" }).js.code.length > 50);
console.log(await collectResult(renderLit(html`<p>${"lit"}</p>`)));
