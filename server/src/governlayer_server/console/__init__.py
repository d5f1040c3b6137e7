"""
The pages: HTML from the appliance itself, nothing from elsewhere, and no script or style inside the HTML.

All files are in ``static/``. A page is one HTML file there; what belongs to it (CSS, JavaScript, pictures) it names as
``/static/<file>``. ``pages.py`` serves both.
"""
