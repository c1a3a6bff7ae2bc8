import React, { useState } from "react";
export function App({ name }) {
  const [n] = useState(3);
  return (
    <ul>
      {Array.from({ length: n }, (_, i) => (
        <li key={i}>{name}</li>
      ))}
    </ul>
  );
}
