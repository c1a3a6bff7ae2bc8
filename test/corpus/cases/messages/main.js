const path = require("path");
const { I18n } = require("i18n");
const i18n = new I18n({ locales: ["en", "de"], directory: path.join(__dirname, "locales"), updateFiles: false });
i18n.setLocale("de");
console.log(i18n.__("hello"), i18n.__n("%s cat", 3));
const { IntlMessageFormat } = require("intl-messageformat");
console.log(new IntlMessageFormat("{n, plural, one {# cat} other {# cats}}", "en").format({ n: 2 }));
