// What an app in strict TypeScript writes for sockets and streams.
import { createLive, type Feed } from "django-session-auth/live";

import { client } from "./app.js";

export const live = createLive(client);
const feed: Feed = live.events("/api/stream/", {
  open: () => console.log("open"),
  message: ({ data }) => console.log(data),
  price: ({ data }) => console.log(data),
});
const chat = live.socket("/ws/chat/", { message: ({ data }) => console.log(data) });
const isSent: boolean = chat.send("hello");
// @ts-expect-error: a stream takes nothing
feed.send("hello");
console.log(isSent);
feed.close();
chat.close();
