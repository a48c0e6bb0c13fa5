"""The exercises of the Deep Learning Specialization on Coursera: columns, examples along the second axis."""

from .entry import Dialect, Entry

DIALECT = Dialect(
    name="coursera",
    title="the Coursera exercises",
    families={
        "rnn": (
            Entry(
                weights="""
                    Wax: Wax hidden input
                    Waa: Waa hidden prev
                    ba: b hidden 1
                    Wya: Wya output hidden
                    by: by output 1
                """,
                data="""
                    x: x input batch time
                    a0: a0 hidden batch
                    da: da hidden batch time
                """,
                note="the step-by-step exercise; the dinosaur exercise calls ba b",
            ),
        ),
        "lstm": (
            Entry(
                weights="""
                    Wf: (Waa|Wax)[f] hidden (prev|input)
                    bf: b[f] hidden 1
                    Wi: (Waa|Wax)[i] hidden (prev|input)
                    bi: b[i] hidden 1
                    Wc: (Waa|Wax)[g] hidden (prev|input)
                    bc: b[g] hidden 1
                    Wo: (Waa|Wax)[o] hidden (prev|input)
                    bo: b[o] hidden 1
                    Wy: Wya output hidden
                    by: by output 1
                """,
                data="""
                    x: x input batch time
                    a0: a0 hidden batch
                    da: da hidden batch time
                """,
                note="each gate multiplies a[t-1] above x[t]; the cell state begins at zero",
            ),
        ),
        "dense": (
            Entry(
                weights="""
                    W{nth}: W output input
                    b{nth}: b output 1
                """,
                data="""
                    X: x input batch
                    Y: y output batch
                """,
                defaults={"activation": "relu", "objective": "logistic", "reduction": "mean over batch"},
                deeper="",
                layers=2,
            ),
        ),
    },
    missing={
        "gru": "no exercise builds one by hand",
        "attention": "the exercise takes Keras' layer",
    },
)
