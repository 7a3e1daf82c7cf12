import type { DataKindName } from '../data/kinds.ts'
import type { ReferenceId } from './references.ts'

/** What a technique moves: what the model gets right, what people prefer, what it costs, how it is served, what it keeps. */
export type Axis = 'correctness' | 'preference' | 'cost' | 'serving' | 'safety'

export type TechniqueId =
  | 'sft' | 'data-selection' | 'lora' | 'qlora' | 'full' | 'multi-lora' | 'dpo' | 'kto' | 'rlhf' | 'grpo' | 'forgetting'

export interface Technique {
  readonly id: TechniqueId
  readonly name: string
  readonly axis: Axis
  /** Of preference methods: learned from answers that are there, or from the model's own as it learns. */
  readonly learnsFrom?: 'static' | 'rl'
  /** The rows that it takes, by kind (data/kinds.ts); empty where it takes no rows of its own. */
  readonly rows: readonly DataKindName[]
  /** What such a row, or whatever stands in its place, looks like. */
  readonly data: string
  /** What a user is told in one line. */
  readonly told: string
  readonly when: string
  /** What it takes in time, memory and people's work. */
  readonly cost: string
  /** How it is had here: keys of a recipe, or a command. */
  readonly here: string
  readonly references: readonly ReferenceId[]
}

/** Every technique of the guide, in the order in which it is explained. */
export const techniques: readonly Technique[] = [
  {
    id: 'sft', name: 'SFT', axis: 'correctness', rows: ['sft'], data: '{"messages": […]}',
    told: 'Cross-entropy on the assistant tokens only.',
    when: 'There are answers as they should be. It is the first step of nearly every other method too.',
    cost: 'One forward and one backward pass a row. People’s work goes into the answers.',
    here: 'method: sft', references: ['instructgpt', 'flan'],
  },
  {
    id: 'data-selection', name: 'Data selection', axis: 'correctness', rows: ['sft'], data: '{"messages": […]}',
    told: '1,000 good rows can be enough (LIMA); by IFD score the best 5% beat the full set (Li et al. 2024).',
    when: 'There are more rows than anybody has read, or duplicates and contradictions among them.',
    cost: 'A look at the rows; scores take a forward pass for each.',
    here: 'posttrain data check FILE finds duplicates, contradictions and rows that are cut; posttrain data select keeps the rows with the highest IFD score', references: ['lima', 'ifd', 'superfiltering'],
  },
  {
    id: 'lora', name: 'LoRA / PEFT', axis: 'cost', rows: ['sft', 'pairs', 'labelled', 'prompts'], data: 'the rows of the method',
    told: 'Frozen base, rank r (start low, raise it only on underfit), less than 2% of the weights, merging leaves no overhead.',
    when: 'Always, unless there is a reason against it.',
    cost: 'Optimizer and gradients of less than 2% of the weights; a few megabytes an adapter.',
    here: 'adapter: {type: lora, rank: 8}', references: ['lora', 'lora-learns-less'],
  },
  {
    id: 'qlora', name: 'QLoRA', axis: 'cost', rows: ['sft', 'pairs', 'labelled', 'prompts'], data: 'the rows of the method',
    told: '4-bit base, adapters in full precision.',
    when: 'The model in 8 bits or more does not fit into memory beside its activations.',
    cost: 'The least memory; slower steps, since weights are unpacked for the backward pass, and a slightly worse base to begin with.',
    here: 'base: {precision: nf4}, or int4 for a base that comes as a 4-bit GGUF', references: ['qlora'],
  },
  {
    id: 'full', name: 'Full fine-tuning', axis: 'cost', rows: ['sft', 'pairs', 'labelled', 'prompts'], data: 'the rows of the method',
    told: 'The baseline that PEFT is compared with.',
    when: 'Adapters of a high rank still underfit, and each variant may have a model of its own.',
    cost: 'Weights, gradients and two moments of every parameter in memory; a whole model for each result.',
    here: 'adapter: {type: none}', references: ['lora-learns-less'],
  },
  {
    id: 'multi-lora', name: 'Multi-LoRA', axis: 'serving', rows: ['sft'], data: 'adapters of one base',
    told: 'Hundreds to thousands of adapters on one base; merge when there is one variant.',
    when: 'Customers, products or experiments need models that differ.',
    cost: 'One base in memory, a few megabytes for each adapter that is in use.',
    here: 'posttrain serve --adapter NAME=DIR …; an adapter is asked for by its name as the model', references: ['s-lora', 'punica'],
  },
  {
    id: 'dpo', name: 'DPO', axis: 'preference', learnsFrom: 'static', rows: ['pairs'], data: '{"prompt", "chosen", "rejected"}',
    told: 'No reward model, no sampling.',
    when: 'Somebody compared two answers to one prompt, or corrected one.',
    cost: 'Two answers a row, and once the reference’s log-probabilities.',
    here: 'method: dpo', references: ['dpo', 'dpo-or-ppo'],
  },
  {
    id: 'kto', name: 'KTO', axis: 'preference', learnsFrom: 'static', rows: ['labelled'], data: '{"prompt", "completion", "label"}',
    told: 'Thumbs are enough.',
    when: 'Answers were judged one at a time. Both thumbs must occur.',
    cost: 'One answer a row, and two more forward passes to tell how far the model has moved.',
    here: 'method: kto', references: ['kto'],
  },
  {
    id: 'rlhf', name: 'Reward model, then PPO (RLHF)', axis: 'preference', learnsFrom: 'rl', rows: ['pairs', 'prompts'],
    data: '{"prompt", "chosen", "rejected"} for the reward model, {"prompt"} for PPO',
    told: 'Two models, online sampling, highest ceiling.',
    when: 'An offline method has plateaued, or several objectives have to be weighed against each other.',
    cost: 'A reward model, a critic, and sampling in every step: the dearest method in memory, time and care.',
    here: 'method: reward, then method: ppo with ppo.reward: {type: reward_model, adapter: …}', references: ['instructgpt', 'helpful-harmless', 'ppo'],
  },
  {
    id: 'grpo', name: 'GRPO', axis: 'preference', learnsFrom: 'rl', rows: ['prompts'], data: '{"prompt", …what the grader reads}',
    told: 'Group mean as the baseline, no critic, 40-60% less memory than PPO.',
    when: 'A program can tell whether an answer is right, and the model sometimes is.',
    cost: 'Several sampled answers to every prompt of every step.',
    here: 'method: grpo with grpo.reward: a grader', references: ['grpo', 'deepseek-r1'],
  },
  {
    id: 'forgetting', name: 'Watching for forgetting', axis: 'safety', rows: ['sft'], data: 'a held-out general set, which comes with posttrain',
    told: 'A frozen base keeps general skills: measured before and after every run.',
    when: 'Always. Where general loss rises, mix some general rows into the data.',
    cost: 'Two forward passes over 100 rows for each run.',
    here: 'every run’s report.md has the loss on the general set before and after', references: ['lora-learns-less'],
  },
]

export function techniqueOf(id: TechniqueId): Technique {
  return techniques.find((technique) => technique.id === id)!
}
