"""Sphinx on the pages that ``tools/site_pages.py`` wrote. Nothing is executed or fetched here."""

project = "Language modelling paradigms in recommender systems: a hands-on kit"
author = "The tutorial authors"
copyright = "The tutorial authors; texts and figures CC BY 4.0, code Apache 2.0"
language = "en"

extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
nb_ipywidgets_js = {}  # widgets stand as their still version; the script would come from elsewhere
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["misc.highlighting_failure", "myst.header"]

html_theme = "sphinx_book_theme"
html_title = "Recommenders and language models"
html_extra_path = ["extra"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}
