import type { ReferenceId } from './references.ts'
import type { TechniqueId } from './techniques.ts'

/** What measurements here say of a claim. */
export type Verdict = 'holds' | 'partly' | 'does not hold' | 'not measured'

/** A claim of the guide, and what became of it when it was measured. */
export interface Claim {
  readonly id: string
  readonly techniques: readonly TechniqueId[]
  readonly claim: string
  /** Who says so. */
  readonly sources: readonly ReferenceId[]
  readonly verdict: Verdict
  /** In words; each figure stands in the place that `where` names. */
  readonly here: string
  /** A file of this project, and figures that stand in it. */
  readonly where?: { readonly file: string; readonly figures: readonly string[] }
  /** What measures it anew. */
  readonly command?: string
}

export const claims: readonly Claim[] = [
  {
    id: 'lora-share', techniques: ['lora'], claim: 'LoRA trains less than 2% of the weights.', sources: ['lora'], verdict: 'holds',
    here: 'Rank 8 on all linear layers of SmolLM2-135M: 2.44 of 134.5 million weights (1.8%), a file of 9.8 MB.',
    where: { file: 'bench/results.md', figures: ['9.8 MB'] }, command: 'npm run bench -- adapters',
  },
  {
    id: 'lora-memory', techniques: ['lora', 'full'], claim: 'LoRA needs far less memory than full fine-tuning.', sources: ['lora'], verdict: 'holds',
    here: 'One epoch of medical coding in f32 peaks at 1.37 GB with LoRA and at 3.54 GB with all weights trained.',
    where: { file: 'examples/forgetting/README.md', figures: ['1.37 GB', '3.54 GB'] }, command: 'npx posttrain train examples/forgetting/lora.yaml',
  },
  {
    id: 'lora-quality', techniques: ['lora', 'full'], claim: 'LoRA comes near full fine-tuning.', sources: ['lora', 'lora-learns-less'], verdict: 'partly',
    here: 'In as many steps LoRA of rank 8 reaches a held-out loss of 0.340, full fine-tuning 0.083; both answer the same kind of question.',
    where: { file: 'examples/forgetting/README.md', figures: ['0.340', '0.083'] }, command: 'npx posttrain train examples/forgetting/full.yaml',
  },
  {
    id: 'merge', techniques: ['lora', 'multi-lora'], claim: 'A merged adapter has no overhead.', sources: ['lora'], verdict: 'holds',
    here: 'A merged model is an ordinary one. Sixteen different adapters beside it reach 669 of its 789 tokens/s (q, k, v, o) and 518 of 717 (all linear layers).',
    where: { file: 'bench/results.md', figures: ['669 / 789', '518 / 717'] }, command: 'npm run bench -- adapters',
  },
  {
    id: 'many-adapters', techniques: ['multi-lora'], claim: 'One base serves hundreds to thousands of adapters.', sources: ['s-lora', 'punica'], verdict: 'holds',
    here: '2,000 adapters on disk, 64 of them in memory: 509 tokens/s, and 533 with five.',
    where: { file: 'bench/results.md', figures: ['| 2,000 | 509', '| 5 | 533'] }, command: 'npm run bench -- adapters',
  },
  {
    id: 'few-rows', techniques: ['sft', 'data-selection'], claim: '1,000 good rows can be enough.', sources: ['lima'], verdict: 'partly',
    here: 'For one narrow task 640 rows were: medical codes of new wordings rise from 0% to 93% exact. Instruction-following in general was not tried.',
    where: { file: 'examples/icd10/README.md', figures: ['93%'] }, command: 'npx posttrain train examples/icd10/recipe.yaml',
  },
  {
    id: 'format', techniques: ['sft'], claim: 'Format is a correctness problem: SFT is the right axis.', sources: ['instructgpt'], verdict: 'holds',
    here: 'After 160 steps every answer is in the form `code — title`, before none was.',
    where: { file: 'examples/icd10/README.md', figures: ['in form (code — title) | 0% | 100%'] }, command: 'npx posttrain train examples/icd10/recipe.yaml',
  },
  {
    id: 'ifd', techniques: ['data-selection'], claim: 'The best 5% of the rows by IFD score beat the full set.', sources: ['ifd', 'superfiltering'], verdict: 'not measured',
    here: 'Not measured here by training. Beware: of 240 complaint summaries with thumbs 49% are liked, of the fifth with the highest scores 6%: IFD finds what is hard to foresee, good or bad. Take out bad rows first.',
  },
  {
    id: 'qlora-memory', techniques: ['qlora'], claim: 'A 4-bit base needs less memory.', sources: ['qlora'], verdict: 'holds',
    here: 'One epoch of the complaints log peaks at 1.49 GB in f32, 1.36 GB over int4 and 1.10 GB over nf4; most of the rest are activations.',
    where: { file: 'examples/qlora/README.md', figures: ['1.49 GB', '1.36 GB', '1.10 GB'] }, command: 'npx posttrain train examples/qlora/qlora.yaml',
  },
  {
    id: 'qlora-quality', techniques: ['qlora'], claim: 'QLoRA reaches the quality of 16-bit fine-tuning.', sources: ['qlora'], verdict: 'partly',
    here: 'Held-out loss 0.432 in f32, 0.437 over int4, 0.504 over nf4. The base comes from a 4-bit GGUF, whose values int4 keeps and nf4 rounds again.',
    where: { file: 'examples/qlora/README.md', figures: ['0.432', '0.437', '0.504'] }, command: 'npx posttrain train examples/qlora/qlora.yaml',
  },
  {
    id: 'qlora-65b', techniques: ['qlora'], claim: '4-bit quantization fits a 65B model on a single 48 GB GPU.', sources: ['qlora'], verdict: 'not measured',
    here: 'Not measured here: no such GPU, and posttrain’s nf4 runs on the CPU.',
  },
  {
    id: 'kto', techniques: ['kto', 'dpo'], claim: 'Thumbs are enough: KTO matches DPO.', sources: ['kto'], verdict: 'holds',
    here: 'From the sides of the same pairs, as thumbs: the judge gives KTO 0.974 and DPO 0.978; KTO wins 48.8% of the comparisons.',
    where: { file: 'examples/complaints/README.md', figures: ['0.974', '0.978', '48.8%'] }, command: 'npx posttrain train examples/complaints/kto.yaml',
  },
  {
    id: 'dpo', techniques: ['dpo', 'rlhf'], claim: 'DPO matches PPO on most tasks.', sources: ['dpo', 'dpo-or-ppo'], verdict: 'holds',
    here: 'On one task: the judge gives DPO 0.978 [0.966, 0.989] and PPO 0.982 [0.970, 0.991]. Xu et al. (2024) find PPO ahead on harder ones.',
    where: { file: 'examples/complaints/README.md', figures: ['0.978 [0.966, 0.989]', '0.982 [0.970, 0.991]'] }, command: 'npx posttrain train examples/complaints/dpo.yaml',
  },
  {
    id: 'rlhf-ceiling', techniques: ['rlhf'], claim: 'RLHF has the highest ceiling.', sources: ['instructgpt', 'dpo-or-ppo'], verdict: 'partly',
    here: 'PPO has the highest score of three methods, 0.982, by less than the intervals are wide, and had all of its gain after 8 of the 15 sets of answers.',
    where: { file: 'examples/complaints/README.md', figures: ['0.982', '8 of the 15'] }, command: 'npx posttrain train examples/complaints/ppo.yaml',
  },
  {
    id: 'grpo-memory', techniques: ['grpo', 'rlhf'], claim: 'GRPO needs 40-60% less memory than PPO.', sources: ['grpo'], verdict: 'partly',
    here: '62% less where PPO trains all weights with a critic and a reward model of their own; 17% less where its critic is a head on the shared base.',
    where: { file: 'bench/results.md', figures: ['| 62% |', '| 17% |'] }, command: 'npm run bench -- memory',
  },
  {
    id: 'grpo', techniques: ['grpo'], claim: 'A verifiable reward and the group’s mean as the baseline are enough to learn from.', sources: ['grpo', 'deepseek-r1'], verdict: 'holds',
    here: 'Contract clauses reviewed without a fault: 18.3% before, 48.3% after 50 steps, from prompts and a program that checks.',
    where: { file: 'examples/contract-review/README.md', figures: ['18.3%', '48.3%'] }, command: 'npx posttrain train examples/contract-review/recipe.yaml',
  },
  {
    id: 'forgetting', techniques: ['forgetting', 'lora'], claim: 'A frozen base keeps general skills.', sources: ['lora-learns-less'], verdict: 'does not hold',
    here: 'Without general rows the loss on general questions rises by 27% with LoRA and by 25% with all weights trained. Forty general rows end that: −5%. An adapter can be taken off again.',
    where: { file: 'examples/forgetting/README.md', figures: ['+27%', '+25%', '−5%'] }, command: 'npx posttrain train examples/forgetting/lora.yaml',
  },
]
