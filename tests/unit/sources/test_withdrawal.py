"""Which papers are withdrawn, by what their authors write."""

from __future__ import annotations

import pytest

from digest.sources.withdrawal import is_withdrawn

# fmt: off
COMMENTS = [
    "withdrawn", "Withdrawn.", "[withdrawn]", "Retracted", "WITHDRAWN: error in section 3", "Withdrawal: the main theorem is false",
    "This paper has been withdrawn by the author due to an error", "This submission has been withdrawn by arXiv administrators because it is fictitious",
    "The authors have withdrawn this paper due to an error in Lemma 2", "The author(s) withdraw this submission", "We withdraw this paper because the proof is wrong",
    "The author has withdrawn this paper", "Author withdrew the paper", "We have decided to withdraw this paper from arXiv", "I wish to withdraw this paper",
    "After useful comments we would like to withdraw this paper", "The first author requested to withdraw the paper", "paper withdrawn", "Paper withdrawn from arXiv",
    "Manuscript withdrawn by authors", "This version withdrawn by arXiv administrators because the author did not have the right to agree to our license",
    "arXiv admin note: submission has been removed by arXiv administrators", "10 pages, 3 figures, withdrawn by the authors", "10 pages; withdrawn due to error",
    "The results are wrong; paper has been withdrawn", "12 pages. This paper has been withdrawn by the author", "This e-print has been temporarily withdrawn for revision",
    "this manuscript is withdrawn", "Has been withdrawn", "It has now been withdrawn", "Paper had to be temporarily retracted; this paper was later retracted",
]
OTHER_COMMENTS = [
    "", "12 pages", "Accepted at ICML 2026", "This paper replaces arXiv:2301.00001, which was withdrawn", "This paper replaces an earlier version which has been withdrawn",
    "Replaces the withdrawn arXiv:1234.5678", "A previous version of this paper was withdrawn because of an error, now corrected", "v2: withdrawn claim about Lemma 3 fixed",
    "Withdrawn from NeurIPS, now at ICML", "paper withdrawn from IEEE Transactions on Signal Processing and re-submitted", "Our earlier submission was withdrawn from ICLR 2025",
    "Code at https://a.example/withdrawn", "We study retracted papers; 12 pages", "Withdrawal symptoms dataset, 8 pages", "see also the withdrawn work [3]",
]
TITLES = [
    "Withdrawn", "Withdrawn: A theorem", "[WITHDRAWN] A theorem", "RETRACTED: A theorem", "A theorem (withdrawn)", "A theorem -- withdrawn", "Paper withdrawn",
    "This paper has been withdrawn",
]
OTHER_TITLES = [
    "Retracted articles: a study", "Withdrawn consent in federated learning", "Why papers are withdrawn from arXiv", "When a paper has been retracted: citations after the fact",
    "Machine Unlearning: When Data Is Withdrawn", "Withdrawn or Not? Predicting Study Dropout", "A data set of withdrawn papers", "Retraction of web claims",
]
ABSTRACTS = [
    "Withdrawn.", "Withdrawn by the author.", "This paper has been withdrawn.", " \n This paper is withdrawn since it is wrong.", "Paper withdrawn by authors due to error",
    "The authors have withdrawn this paper because of an error.", "We prove it. This paper has been withdrawn by the author.",
]
OTHER_ABSTRACTS = [
    "We study papers that authors withdrew.", "Troops were withdrawn in 1990.", "We model retracted articles.", "Many papers have been withdrawn from arXiv; we study why.",
    "We study how a paper that has been retracted is cited afterwards.", "Withdrawn drugs are a source of toxicity labels.", "Retracted papers continue to be cited.",
    "A manuscript is withdrawn when its authors ask for it; we model this.", "The preprint server shows that work has been withdrawn in 3% of cases.",
]
# fmt: on


@pytest.mark.parametrize("comment", COMMENTS)
def test_it_reads_a_withdrawal_in_a_comment(comment: str) -> None:
    assert is_withdrawn("T", "A", comment)


@pytest.mark.parametrize("title", TITLES)
def test_it_reads_a_withdrawal_in_a_title(title: str) -> None:
    assert is_withdrawn(title, "A", "")


@pytest.mark.parametrize("abstract", ABSTRACTS)
def test_it_reads_a_withdrawal_in_an_abstract(abstract: str) -> None:
    assert is_withdrawn("T", abstract, "")


@pytest.mark.parametrize("comment", OTHER_COMMENTS)
def test_it_keeps_a_paper_whose_comment_speaks_of_another(comment: str) -> None:
    assert not is_withdrawn("T", "A", comment)


@pytest.mark.parametrize(
    ("title", "abstract"), [(one, "A") for one in OTHER_TITLES] + [("T", one) for one in OTHER_ABSTRACTS]
)
def test_it_keeps_a_study_of_withdrawals(title: str, abstract: str) -> None:
    assert not is_withdrawn(title, abstract, "12 pages")
