"""Texts of cells and commands in which an identifier may be written."""

from hypothesis import strategies as st

# Letters, digits and signs, also in full width, spaces, hyphens, marks that nobody sees, guards of
# Excel, letters with accents, and Chinese.
_ALPHABET = (
    "019aAxXeE.+-_/:'\"=  \t\n０９ａＡ－＇＂＝\u3000\u00a0\u2002\u200b\ufeff\u00ad\x07\x85–—ﬁ①Ⅳ"
    "é\u0301ßſ个人无限公司"
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(_ALPHABET, max_size=20),
    st.from_regex(r"[0-9A-Za-z -]{1,20}", fullmatch=True),
    st.from_regex(r'=?["\']{0,2}[0-9A-Za-z -]{0,18}["\']?', fullmatch=True),
)
