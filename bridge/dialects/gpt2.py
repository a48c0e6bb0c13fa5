"""GPT-2 as published, and as Hugging Face's transformers keeps it: every matrix is a Conv1D, x W + b."""

from .entry import Dialect, Entry

NOT_RECURRENT = "GPT-2 is a transformer"

DIALECT = Dialect(
    name="gpt2",
    title="GPT-2",
    families={
        "dense": (
            Entry(
                weights="""
                    {place}weight: W input output
                    {place}bias: b output
                """,
                data="""
                    x: x batch input
                    grad_output: dz batch output
                """,
                deeper=("c_fc.", "c_proj."),
                note="one layer is a Conv1D, two are the block's mlp; its own activation is a GELU",
            ),
        ),
        "attention": (
            Entry(
                weights="""
                    c_attn.weight: W[q k v] model (part head key)
                    c_attn.bias: b[q k v] (part head key)
                    c_proj.weight: Wo (head key) model
                    c_proj.bias: bo model
                """,
                data="""
                    x: x batch time model
                    grad_output: dout batch time model
                """,
                defaults={"causal": True},
            ),
        ),
    },
    missing=dict.fromkeys(("rnn", "lstm", "gru"), NOT_RECURRENT),
)
