import { join } from 'node:path'
import { endlessModel, rowsFile, runOurs, type MethodBench } from './method-run.ts'
import { pairRows, promptRows } from './rows.ts'
import { markdownTable } from './table.ts'

const cheapReward = { type: 'length', unit: 'characters', min: 400 }

/** PPO and GRPO on the same model, with as many answers of the same length in a step and in a micro-batch. */
interface Comparison {
  readonly adapter: 'lora' | 'none'
  readonly answers: number
  readonly newTokens: number
  readonly tokensPerMicroBatch: number
  readonly ppo: string
  readonly critic: 'shared' | 'separate'
  readonly rewardModel: boolean
  readonly grpo: string
}

/** Under full fine-tuning small enough for PPO's two models, their gradients and their moments in 9 GB. */
const comparisons: readonly Comparison[] = [
  {
    adapter: 'lora', answers: 8, newTokens: 64, tokensPerMicroBatch: 512, critic: 'shared', rewardModel: false,
    ppo: 'PPO, LoRA, a value head on the shared base', grpo: 'GRPO, LoRA',
  },
  {
    adapter: 'none', answers: 4, newTokens: 32, tokensPerMicroBatch: 256, critic: 'separate', rewardModel: true,
    ppo: 'PPO, full fine-tuning, a critic of its own, a reward model', grpo: 'GRPO, full fine-tuning',
  },
]

/** What the field guide claims: GRPO needs 40 to 60% less memory than PPO. */
export async function benchMemory({ model, scratch }: Pick<MethodBench, 'model' | 'scratch'>): Promise<string> {
  const data = rowsFile(scratch, 'memory-prompts', promptRows(8))
  const endless = endlessModel(model, scratch)
  const rows: string[][] = []
  for (const [i, { adapter, answers, newTokens, tokensPerMicroBatch, critic, rewardModel, ...names }] of comparisons.entries()) {
    const reward = rewardModel ? { type: 'reward_model', adapter: await trainedReward(endless, scratch), precision: 'f32' } : cheapReward
    const common = {
      model: endless, data, adapter: { type: adapter }, base: { precision: 'f32' }, steps: 3, tokens_per_micro_batch: tokensPerMicroBatch,
    }
    const ppo = await runOurs(scratch, `memory-ppo-${i}`, { ...common, method: 'ppo', batch: answers, ppo: { reward, critic, max_new_tokens: newTokens } })
    const group = { reward: cheapReward, group_size: answers, max_new_tokens: newTokens }
    const grpo = await runOurs(scratch, `memory-grpo-${i}`, { ...common, method: 'grpo', batch: 1, grpo: group })
    const size = `${answers} of ${newTokens} tokens`
    rows.push([names.ppo, size, `${ppo.peak_mb} MB`, ''])
    rows.push([names.grpo, size, `${grpo.peak_mb} MB`, `${((1 - grpo.peak_mb / ppo.peak_mb) * 100).toFixed(0)}%`])
    process.stderr.write(`${names.ppo} ${JSON.stringify(ppo)}\n${names.grpo} ${JSON.stringify(grpo)}\n`)
  }
  const table = markdownTable(['', 'answers of a step', 'peak memory', 'less than PPO'], rows)
  return `## Memory of GRPO and PPO\n\nf32, prompts of about 100 tokens: GRPO's answers are to one prompt, PPO's to one each.\n\n${table}`
}

/** A reward model, briefly trained: what counts here is its size. @returns its folder */
async function trainedReward(model: string, scratch: string): Promise<string> {
  const data = rowsFile(scratch, 'memory-pairs', pairRows(8))
  await runOurs(scratch, 'memory-reward', { model, method: 'reward', data, base: { precision: 'f32' }, batch: 2, steps: 4 })
  return join(scratch, 'run-memory-reward', 'adapter')
}
