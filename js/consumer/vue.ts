import {
  sessionPlugin,
  useAction,
  useCountdown,
  useEvents,
  useRequireUser,
  useSession,
  useSocket,
  useStepUp,
  useUser,
} from "django-session-auth/vue";
import { createApp, defineComponent, ref, watchEffect } from "vue";

import { client } from "./app.js";
import { factors } from "./factors.js";
import { live } from "./live.js";

const Page = defineComponent({
  setup() {
    const { client: given, user, status } = useSession();
    const email: string | undefined = user.value?.email;
    const { run, error } = useAction(given.logout);
    const { asking } = useStepUp();
    const { methods, prove } = useStepUp(factors.prove);
    if (methods.value.includes("passkey")) void prove({ method: "passkey" });
    // @ts-expect-error: no code
    void prove({ method: "totp" });
    const required = useRequireUser(() => location.assign("/sign-in/"));
    const warning = useCountdown();
    const { isOpen, send } = useSocket(live, ref<string | null>(null), { open: () => send("hello") });
    const isStreaming = useEvents(live, () => "/api/stream/", { price: ({ data }) => console.log(data) });
    watchEffect(() => console.log(isOpen.value && isStreaming.value));
    const uuid: string | undefined = useUser<{ uuid: string }>().value?.uuid;
    watchEffect(() => console.log(status.value, email, error.value?.code, asking.value, required.value, uuid));
    // @ts-expect-error: a typo in a field
    watchEffect(() => warning.value?.secondLeft);
    return () => void run();
  },
});

createApp(Page).use(sessionPlugin, client).mount("#app");
