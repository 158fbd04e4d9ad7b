import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import layers.people.rules
import services.catalog.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('enterprises', '0001_initial'),
        ('projects', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Person',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('state', models.CharField(choices=[('active', '在岗'), ('left', '离岗'), ('locked', '锁定')], default='active', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('head', '企业负责人'), ('project_head', '项目负责人'), ('safety', '专职安全管理人员'), ('registered', '注册执业人员'), ('site', '现场管理人员'), ('supervision', '监理人员'), ('testing', '检测人员'), ('special', '特种作业人员'), ('labour', '劳务人员')], max_length=16, verbose_name='人员类别')),
                ('title', models.CharField(choices=[('senior', '高级工程师'), ('engineer', '工程师'), ('assistant', '助理工程师'), ('technician', '技师'), ('none', '无')], default='none', max_length=12, verbose_name='职称')),
                ('trade', models.CharField(blank=True, max_length=60, verbose_name='专业或工种')),
                ('id_number', models.CharField(blank=True, help_text='GB 11643，18位', max_length=18, validators=[layers.people.rules.validate_identity_number], verbose_name='身份证号')),
                ('id_masked', models.GeneratedField(db_persist=True, expression=models.Case(models.When(models.Q(('id_number', ''), _negated=True), then=django.db.models.functions.text.Concat(django.db.models.functions.text.Left(models.F('id_number'), 3), models.Value('***********'), django.db.models.functions.text.Right(models.F('id_number'), 4))), default=models.Value('')), output_field=models.CharField(max_length=18), verbose_name='身份证号（脱敏）')),
                ('phone', models.CharField(blank=True, max_length=20, verbose_name='手机号')),
                ('phone_masked', models.GeneratedField(db_persist=True, expression=models.Case(models.When(models.Q(('phone', ''), _negated=True), then=django.db.models.functions.text.Concat(django.db.models.functions.text.Left(models.F('phone'), 3), models.Value('****'), django.db.models.functions.text.Right(models.F('phone'), 4))), default=models.Value('')), output_field=models.CharField(max_length=11), verbose_name='手机号（脱敏）')),
                ('employed_on', models.DateField(blank=True, null=True, verbose_name='入职日期')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='people', to='enterprises.enterprise', verbose_name='所属单位')),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='people', to='projects.project', verbose_name='所在工程')),
            ],
            options={
                'verbose_name': '人员',
                'verbose_name_plural': '人员',
            },
        ),
        migrations.CreateModel(
            name='Certificate',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('kind', models.CharField(max_length=60, verbose_name='证书类别')),
                ('number', models.CharField(max_length=50, verbose_name='证书编号')),
                ('issued_by', models.CharField(blank=True, max_length=100, verbose_name='发证机关')),
                ('issued_on', models.DateField(verbose_name='发证日期')),
                ('valid_until', models.DateField(blank=True, null=True, verbose_name='有效期至')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='certificates', to='people.person', verbose_name='人员')),
            ],
            options={
                'verbose_name': '证书',
                'verbose_name_plural': '证书',
                'ordering': ['-issued_on'],
            },
        ),
        migrations.CreateModel(
            name='Training',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('subject', models.CharField(max_length=120, verbose_name='培训内容')),
                ('held_on', models.DateField(verbose_name='培训日期')),
                ('hours', models.DecimalField(decimal_places=1, max_digits=5, verbose_name='学时')),
                ('held_by', models.CharField(blank=True, max_length=100, verbose_name='培训单位')),
                ('result', models.CharField(choices=[('passed', '合格'), ('failed', '不合格'), ('pending', '待考核')], default='pending', max_length=8, verbose_name='考核结果')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trainings', to='people.person', verbose_name='人员')),
            ],
            options={
                'verbose_name': '教育培训',
                'verbose_name_plural': '教育培训',
                'ordering': ['-held_on'],
            },
        ),
        migrations.AddIndex(
            model_name='person',
            index=models.Index(fields=['kind', 'state'], name='person_kind_state'),
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.UniqueConstraint(condition=models.Q(('id_number', ''), _negated=True), fields=('id_number',), name='person_once', violation_error_message='该身份证号已登记。'),
        ),
        migrations.AddConstraint(
            model_name='certificate',
            constraint=models.UniqueConstraint(fields=('person', 'number'), name='certificate_once'),
        ),
        migrations.AddConstraint(
            model_name='certificate',
            constraint=models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gte', models.F('issued_on')), _connector='OR'), name='certificate_dates_in_order', violation_error_message='有效期不得早于发证日期。'),
        ),
        migrations.AddConstraint(
            model_name='training',
            constraint=models.CheckConstraint(condition=models.Q(('hours__gt', 0)), name='training_hours_positive', violation_error_message='学时应大于零。'),
        ),
    ]
