"""Makes src/evaluate/fixtures/similarity.json: how alike other implementations find pairs of texts.

    python3 -m venv venv && venv/bin/pip install nltk rouge_score sacrebleu rapidfuzz
    venv/bin/python bench/parity/make_similarity.py [--output FILE]

Each case: {"output", "reference", "scores": {metric: 0 to 1}}, with
- fuzzy_match: rapidfuzz `fuzz.ratio` / 100
- bleu: sacrebleu `sentence_bleu` / 100 with its defaults (13a tokens, exponential smoothing, effective order)
- gleu: nltk `sentence_gleu` over the same 13a tokens, as Hugging Face's google_bleu
- rouge_1 to rouge_5, rouge_l: F-measures of rouge_score without a stemmer. It drops every letter that is not a-z, where
  posttrain keeps them: these are left out for texts with other letters.
"""

import argparse
import json
import pathlib

import sacrebleu
from nltk.translate.gleu_score import sentence_gleu
from rapidfuzz import fuzz
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

PAIRS = [
    ("The cat sat on the mat.", "The cat sat on the mat."),
    ("The cat sat on the mat.", "A cat was sitting on the mat, purring."),
    ("the the the the the the the", "The cat is on the mat. There is a cat on the mat."),
    ("It is a guide to action which ensures that the military always obeys the commands of the party.",
     "It is a guide to action that ensures that the military will forever heed Party commands."),
    ("It is to insure the troops forever hearing the activity guidebook that party direct.",
     "It is a guide to action that ensures that the military will forever heed Party commands."),
    ("Paris", "Paris"),
    ("Paris", "Rome"),
    ("Paris is it", "Paris"),
    ("Prices rose 3.5% to $1,234.50 in Q3-2024; see A.1-B.2.", "Prices rose by 3.5% in Q3 2024, to $1,234.50 (see A.1)."),
    ("", "Something"),
    ("Something", ""),
    ("", ""),
    ("... !!! ???", "... !!! ???"),
    ("AT&amp;T said &quot;no&quot; to 5<6.", 'AT&T said "no" to 5 < 6.'),
    ("line one\nline two\nhyphen-\nated end", "line one line two hyphenated end"),
    ("a b c d e f g h i j", "j i h g f e d c b a"),
    ("a b c d e f g h i j k l", "a b c x e f g h y j k l m"),
    ("one two three four", "one two three four five six seven eight nine ten eleven twelve"),
    ("one two three four five six seven eight nine ten eleven twelve", "one two three four"),
    ("The refund was issued on 2024-05-01, and the customer was informed by e-mail.",
     "Customer was informed by email that the refund was issued on 2024-05-01."),
    ("Die Größe der Häuser überrascht.", "Die Größe des Hauses überraschte."),
    ("早上好，世界", "早上好世界"),
    ("emoji 👍🏽 here", "emoji 👍 there"),
    ("same words but Case Differs", "SAME WORDS BUT case differs"),
]
ROUGE = ["rouge1", "rouge2", "rouge3", "rouge4", "rouge5", "rougeL"]


def scores(output, reference):
    tokens = Tokenizer13a()
    found = {
        "fuzzy_match": fuzz.ratio(output, reference) / 100,
        "bleu": sacrebleu.sentence_bleu(output, [reference]).score / 100,
        "gleu": float(sentence_gleu([tokens(reference).split()], tokens(output).split())),
    }
    if (output + reference).isascii():
        rouge = rouge_scorer.RougeScorer(ROUGE, use_stemmer=False).score(reference, output)
        found |= {f"rouge_{name[5:].lower()}": rouge[name].fmeasure for name in ROUGE}
    return found


def main():
    parser = argparse.ArgumentParser()
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--output", default=root / "src/evaluate/fixtures/similarity.json", type=pathlib.Path)
    cases = [{"output": a, "reference": b, "scores": scores(a, b)} for a, b in PAIRS]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    parser.parse_args().output.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
