import type { TechniqueId } from './techniques.ts'

export type SituationId =
  | 'domain' | 'format' | 'limited-compute' | 'variants' | 'cold-start' | 'pairs' | 'logs' | 'safety' | 'reasoning' | 'forgetting'

/** A row of the decision table. */
export interface Decision {
  readonly id: SituationId
  readonly situation: string
  readonly recommended: string
  readonly why: string
  /** What `recommended` is made of. */
  readonly techniques: readonly TechniqueId[]
}

/** The field guide's table. What is shown as the table and what the advisor answers both come from here. */
export const decisionTable: readonly Decision[] = [
  {
    id: 'domain', situation: 'Domain adaptation (medical, legal, e-commerce)', recommended: 'SFT + LoRA',
    why: 'Efficient domain shift without full retraining', techniques: ['sft', 'lora'],
  },
  {
    id: 'format', situation: 'Enforce output format or style', recommended: 'SFT + LoRA',
    why: 'Format is a correctness problem: SFT is the right axis', techniques: ['sft', 'lora'],
  },
  {
    id: 'limited-compute', situation: 'Limited compute / single-GPU fine-tuning', recommended: 'QLoRA',
    why: '4-bit quantization fits a 65B model on a single 48 GB GPU', techniques: ['sft', 'qlora'],
  },
  {
    id: 'variants', situation: 'Serving multiple fine-tuned variants', recommended: 'Multi-LoRA',
    why: 'One base, many adapters, shared GPU', techniques: ['sft', 'lora', 'multi-lora'],
  },
  {
    id: 'cold-start', situation: 'Cold start, only binary feedback', recommended: 'KTO',
    why: 'No pairwise data needed, works on thumbs logs', techniques: ['kto', 'lora'],
  },
  {
    id: 'pairs', situation: 'Pairwise preference alignment', recommended: 'DPO',
    why: 'Simpler than RLHF, matches PPO on most tasks', techniques: ['dpo', 'lora'],
  },
  {
    id: 'logs', situation: 'Improve helpfulness or tone from existing logs', recommended: 'KTO',
    why: 'Binary signal is enough; no annotation pipeline', techniques: ['kto', 'lora'],
  },
  {
    id: 'safety', situation: 'Full safety alignment at scale', recommended: 'RLHF / PPO',
    why: 'Multi-objective optimization, highest ceiling', techniques: ['rlhf', 'lora'],
  },
  {
    id: 'reasoning', situation: 'Reasoning tasks (math, code)', recommended: 'GRPO',
    why: 'Verifiable reward, 40-60% less memory than PPO', techniques: ['grpo', 'lora'],
  },
  {
    id: 'forgetting', situation: 'Prevent catastrophic forgetting', recommended: 'LoRA / PEFT',
    why: 'Frozen base weights preserve general capabilities', techniques: ['lora', 'sft', 'forgetting'],
  },
]

export const situationIds = decisionTable.map(({ id }) => id)

export function decisionOf(id: SituationId): Decision {
  return decisionTable.find((decision) => decision.id === id)!
}
