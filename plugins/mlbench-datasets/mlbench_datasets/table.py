"""The data sets: what they are, and the exact bytes of their files."""

from __future__ import annotations

from typing import NamedTuple

ORIGIN = "https://raw.githubusercontent.com/tsoumakas/mulan/43f6389095ad71984264db4387a8074b22bc7d4a/data/multi-label"
"""Where the files come from: the data of the Mulan library, at one commit, so that they cannot change."""


class File(NamedTuple):
    """A file of a data set."""

    name: str
    n_bytes: int
    sha256: str


class Entry(NamedTuple):
    """A data set.

    Attributes:
        name: Name on the command line, and of the folder at the origin.
        about: What the labels are.
        n_train: Rows of the published training split.
        n_test: Rows of the published test split.
        n_features: Columns that are not labels.
        n_labels: Columns that are.
        licence: As stated at the origin.
        citation: How to cite the data.
        files: What a run needs.
    """

    name: str
    about: str
    n_train: int
    n_test: int
    n_features: int
    n_labels: int
    licence: str
    citation: str
    files: tuple[File, ...]


ENTRIES = (
    Entry(
        name="bibtex",
        about="Tags of bibliography entries",
        n_train=4_880,
        n_test=2_515,
        n_features=1_836,
        n_labels=159,
        licence="not stated",
        citation=(
            "Ioannis Katakis, Grigorios Tsoumakas, Ioannis Vlahavas: Multilabel Text Classification for Automated Tag "
            "Suggestion. ECML/PKDD Discovery Challenge, 2008."
        ),
        files=(
            File("bibtex-train.arff", 2_292_961, "8dcc9de6e0b2cebaec8c1f4fac78431adeeb73cfd3ab879b530a66d366e59174"),
            File("bibtex-test.arff", 1_215_637, "9b03329cde64d3f994bdf7fbbac3f3b10fe185c311cb9ae725475f59c7f3f922"),
            File("bibtex.xml", 5_880, "08fe20013c1e75dcf1888c185f5187c95e76495b8518ce289b4d3afce38d1232"),
        ),
    ),
    Entry(
        name="delicious",
        about="Tags of web pages",
        n_train=12_920,
        n_test=3_185,
        n_features=500,
        n_labels=983,
        licence="not stated",
        citation=(
            "Grigorios Tsoumakas, Ioannis Katakis, Ioannis Vlahavas: Effective and Efficient Multilabel Classification "
            "in Domains with Large Number of Labels. ECML/PKDD Workshop on Mining Multidimensional Data, 2008."
        ),
        files=(
            File("delicious-train.arff", 3_056_590, "030186cdb542ebdd32052fcdbb1ebe30115b3a22518c1b4b198c45eb827aebe1"),
            File("delicious-test.arff", 757_565, "2dfb01723a819914b0ca83361177ed413ce3f2169851d9f228d4692915d63944"),
            File("delicious.xml", 34_303, "4e0c0f93c7d86a39b9fca4aaefaa00e9428f2c80277732dfbf03ca48e2c14da2"),
        ),
    ),
    Entry(
        name="emotions",
        about="Emotions that pieces of music evoke",
        n_train=391,
        n_test=202,
        n_features=72,
        n_labels=6,
        licence="not stated",
        citation=(
            "Konstantinos Trohidis, Grigorios Tsoumakas, George Kalliris, Ioannis Vlahavas: Multilabel Classification "
            "of Music into Emotions. International Conference on Music Information Retrieval (ISMIR), 2008."
        ),
        files=(
            File("emotions-train.arff", 252_080, "bbe704106c79bb8fb99c1d1d2e9bde081d6a2daeb01f100862f11fd91a3c1f98"),
            File("emotions-test.arff", 132_007, "f13d4b746b7b5c8eb484bd751d6ac463d4560dff998a93516a5c1fe35daf6c8f"),
            File("emotions.xml", 323, "dbce8e6ccbbb2fcbfd9e9edbb230d7ed12692c6e13f59fdbc0161fa9b6cf2dc0"),
        ),
    ),
    Entry(
        name="flags",
        about="Colours of national flags",
        n_train=129,
        n_test=65,
        n_features=19,
        n_labels=7,
        licence="not stated (CC BY 4.0 for the original at UCI)",
        citation=(
            "Eduardo Corrêa Gonçalves, Alexandre Plastino, Alex A. Freitas: A Genetic Algorithm for Optimizing the "
            "Label Ordering in Multi-Label Classifier Chains. IEEE International Conference on Tools with Artificial "
            "Intelligence (ICTAI), 2013."
        ),
        files=(
            File("flags-train.arff", 7_707, "1861cdab7f8baf1aef6fb6198f304465ddfd99b7f9a435337c604119522df3c5"),
            File("flags-test.arff", 4_218, "09f6136fae47dcc2f0f491efd6401a11072cbfb0bfbb2666c63b35bb06aeeb16"),
            File("flags.xml", 304, "7c9ed21a91b716b91f811323e20ee5a260ea2da62a5edcfeb1b91ec855a48f17"),
        ),
    ),
    Entry(
        name="genbase",
        about="Families of proteins",
        n_train=463,
        n_test=199,
        n_features=1_186,
        n_labels=27,
        licence="not stated",
        citation=(
            "Sotiris Diplaris, Grigorios Tsoumakas, Pericles A. Mitkas, Ioannis Vlahavas: Protein Classification with "
            "Multiple Algorithms. Panhellenic Conference on Informatics (PCI), 2005."
        ),
        files=(
            File("genbase-train.arff", 1_714_007, "37670db2c2b308a1c163d05501819526f1d65d659638ddfb76812d4ce384b5c6"),
            File("genbase-test.arff", 758_739, "0e988520bedab39aa3f23f08f646c769bcdb6f9119ee298fd92b37127b226a36"),
            File("genbase.xml", 992, "198e8a1d7070e9603119e02e626cedc589db7577339b307b06f5192047b69eb9"),
        ),
    ),
    Entry(
        name="medical",
        about="Diagnosis codes of radiology reports",
        n_train=333,
        n_test=645,
        n_features=1_449,
        n_labels=45,
        licence="not stated",
        citation=(
            "John P. Pestian et al.: A Shared Task Involving Multi-label Classification of Clinical Free Text. "
            "BioNLP workshop, 2007."
        ),
        files=(
            File("medical-train.arff", 69_680, "c764f45756ab1c553b8b4eaaf5605a5610a43bbbcf37492d0f1a12bf9c9e2244"),
            File("medical-test.arff", 99_124, "6be472e75a6c0b0916187f343a398011b1b26f8f0ddc682c575312ad3532f6c4"),
            File("medical.xml", 1_818, "51fa9d5c09e48caff3f0a0c75db1c9aa85944f8e35451f3ad8bd56fc422286ce"),
        ),
    ),
    Entry(
        name="scene",
        about="Kinds of scenery in photographs",
        n_train=1_211,
        n_test=1_196,
        n_features=294,
        n_labels=6,
        licence="not stated",
        citation=(
            "Matthew R. Boutell, Jiebo Luo, Xipeng Shen, Christopher M. Brown: Learning Multi-label Scene "
            "Classification. Pattern Recognition 37(9), 2004."
        ),
        files=(
            File("scene-train.arff", 3_127_968, "b53ba93bdf412de922e3960389bcee24744fa3e872ce610511fc1d750888b64d"),
            File("scene-test.arff", 3_090_742, "ea38d20296b3ff7e220f477a3b802a9bcb2d768881fe6ee163efbc97ea527a42"),
            File("scene.xml", 285, "55d8b247b949ad5c52e5a73d8c6775ec6e5469ce9682465b45b333b68ee4bcc5"),
        ),
    ),
    Entry(
        name="yeast",
        about="Functions of yeast genes",
        n_train=1_500,
        n_test=917,
        n_features=103,
        n_labels=14,
        licence="not stated",
        citation=(
            "André Elisseeff, Jason Weston: A Kernel Method for Multi-labelled Classification. Advances in Neural "
            "Information Processing Systems (NIPS) 14, 2001."
        ),
        files=(
            File("yeast-train.arff", 1_501_117, "e759dc991ff54694a4ff9c4314f3be0d6fd2b1994a4b563f57e416394c6aebbd"),
            File("yeast-test.arff", 918_515, "4aaac102bff9669a765bf0b378602e5cc8c3b181048282e2f003117b496d552a"),
            File("yeast.xml", 526, "c3056cc26444b5158b1588d1b73bec9c45429e10f0957ad085903423cb81f247"),
        ),
    ),
)
