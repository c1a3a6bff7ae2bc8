const { JSDOM } = require("jsdom");
console.log(new JSDOM("<p>x</p>").window.document.querySelector("p").textContent);
