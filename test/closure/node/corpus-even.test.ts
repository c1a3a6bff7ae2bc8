import { judge } from "../../support/corpus.ts";

judge((at) => at % 2 === 0);
