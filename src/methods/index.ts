import { dpo } from './dpo.ts'
import { grpo } from './grpo.ts'
import { kto } from './kto.ts'
import type { Method } from './method.ts'
import { ppo } from './ppo.ts'
import { reward } from './reward.ts'
import { sft } from './sft.ts'

/** Every training method, by the name that recipes use. */
export const methods: Readonly<Record<string, Method>> = { sft, dpo, kto, reward, ppo, grpo }
