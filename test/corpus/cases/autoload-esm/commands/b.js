export const name = "b";
export default () => "B";
